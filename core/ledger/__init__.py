"""Money: purses, leases, the journal, receipts. See docs/ledger.md for the promises and why they hold."""
