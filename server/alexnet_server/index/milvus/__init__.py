"""The index in a Milvus, for more pictures or more servers than one machine serves."""
