"""Speed and accuracy against others; every published figure has its command here or in `kshot evaluate`."""
