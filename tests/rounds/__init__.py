"""Rounds: work behind requests that one worker of the cluster does at a time."""
