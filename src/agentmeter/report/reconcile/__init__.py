"""What providers say was used and charged, held against what was metered."""
