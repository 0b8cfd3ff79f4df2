"""The table of builds."""
