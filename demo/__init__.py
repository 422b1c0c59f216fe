"""The demo's projects, and simulated annotators. The product imports none of it.

simulation.py   a game: annotators in threads, and a watch over the loop
client.py       the HTTP API as one annotator sees it
management/     the commands `demo`, `load_demo` and `simulate_annotators`
"""
