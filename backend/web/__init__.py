"""The console: its pages, their files, and the words that they share. Needs no build."""
