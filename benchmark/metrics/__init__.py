"""Metrics, one file a family.

`METRICS` maps a name to ``module:Class`` below this package; a module is imported when its metric
is asked for.
"""

METRICS: dict[str, str] = {
    "auc": "classification:AUC",
    "accuracy": "classification:Accuracy",
    "balanced-accuracy": "classification:BalancedAccuracy",
    "macro-f1": "classification:MacroF1",
    "mcc": "classification:MCC",
    "ece": "classification:CalibrationError",
    "majority-rate": "classification:MajorityRate",
    "mae": "regression:MAE",
    "pearson-r": "regression:PearsonR",
    "graph-auroc": "graph:GraphAUROC",
    "graph-f1": "graph:GraphF1",
    "shd": "graph:SHD",
    "box-iou": "boxes:BoxIoU",
    "pixcorr": "images:PixCorr",
    "encoding-r": "encoding:EncodingR",
    "field-accuracy": "answers:FieldAccuracy",
    "exact-match": "text:ExactMatch",
}
