"""The queue of tasks, the answers to them and the labels that follow, from a batch's opening to its last answer. No
models, no trainings.
"""
