"""Questions asked of replays: golden cases, differences, explanations, checks, capacity.

The lab asks and compares, it never models.
"""
