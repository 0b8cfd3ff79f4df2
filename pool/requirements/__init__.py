"""User input: targets, requirements.txt, pylock.toml, dependency groups, pip configuration."""
