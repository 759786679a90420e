"""Recorded exchanges through the real clients: is what was metered what the bodies say?"""
