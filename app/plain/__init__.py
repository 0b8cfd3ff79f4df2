"""Commands without a screen: headless runs, their printer, remote control, reports."""
