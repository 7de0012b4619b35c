"""How pages reach the browser: their document, the files it names, compression, headers."""
