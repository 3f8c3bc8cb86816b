"""The web console in a real browser: Chromium, driven by Playwright. Skipped where either is missing.

Screenshots of every page are left in ``build/screenshots``.
"""
