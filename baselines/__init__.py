"""Baselines: what a reviewer asks for. One file each."""

METHODS = {
    "majority": "majority:Majority",
    "confounds": "confounds:Confounds",
    "site-only": "confounds:SiteOnly",
    "motion-only": "confounds:MotionOnly",
    "fc-logistic": "fc_linear:FcLogistic",
    "fc-svm": "fc_linear:FcSvm",
    "tangent-logistic": "tangent:TangentLogistic",
    "brainnetcnn": "brainnetcnn:BrainNetCNN",
}
