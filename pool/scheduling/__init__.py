"""Admission control: slots, memory, job tokens. Pure cores with asyncio shells."""
