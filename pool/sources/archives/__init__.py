"""Reading archives of others: bounded readers of tar and zip, one writer with one set of rules."""
