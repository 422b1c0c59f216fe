"""The server: rows, people, files, steps, pages and the API. Arithmetic on arrays is in `selector`, networks in
`models_store`.
"""
