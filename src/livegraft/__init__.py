"""Change code in a running Python service: commit a script, and it is live a second later."""
