"""The bundled site and apps, hosted like anyone else would host theirs."""
