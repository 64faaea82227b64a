"""Every option there is: one row each, with New API's names, by group; docs/options.md is made from them."""
