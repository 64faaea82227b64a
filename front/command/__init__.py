"""The `isthmus` command: the one place of front that imports core."""
