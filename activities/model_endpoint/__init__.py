"""The model's endpoint: what is sent, and what comes back, understood before the SDK sees it."""
