"""What each background step computes: it reads rows, computes and writes rows. When and where it runs is in
`labeling.loop`.
"""
