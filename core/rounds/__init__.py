"""Work behind requests that one worker of the cluster does at a time: tests of channels, balances, model lists."""
