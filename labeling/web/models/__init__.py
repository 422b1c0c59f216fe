"""The pages of model versions: accuracy, comparison, privacy, predictions, registration. The choice of a model is in
`labeling.web.settings`.
"""
