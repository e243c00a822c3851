"""The page at ``/docs``: /openapi.json put into words in the browser; nothing from elsewhere."""
