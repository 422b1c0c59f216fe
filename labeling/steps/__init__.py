"""What each background step computes: it reads rows, computes and writes rows. The worker that runs it is in `running`.

`registry` binds the steps to the kinds of jobs. When a job is due is decided in `labeling.loop`.
"""
