"""The demo's projects, and simulated annotators. The product does not import this package.

simulation.py   a game: annotators in threads, and a watch over the loop
client.py       the HTTP API as one annotator sees it
management/     the commands `demo`, `load_demo` and `simulate_annotators`
"""
