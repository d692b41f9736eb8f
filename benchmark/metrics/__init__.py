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
    "mae-of-mean": "regression:MAEOfMean",
    "pearson-r": "regression:PearsonR",
    "predictive-cod": "regression:PredictiveCOD",
    "graph-f1": "graph:GraphF1",
    "graph-precision": "graph:GraphPrecision",
    "graph-recall": "graph:GraphRecall",
    "graph-accuracy": "graph:GraphAccuracy",
    "shd": "graph:SHD",
    "shd-double": "graph:SHDDouble",
    "skeleton-f1": "graph:SkeletonF1",
    "orientation-accuracy": "graph:OrientationAccuracy",
    "graph-auroc": "graph:GraphAUROC",
    "graph-auprc": "graph:GraphAUPRC",
    "graph-oracle-f1": "graph:OracleF1",
    "native-f1": "graph:NativeF1",
    "native-shd": "graph:NativeSHD",
    "graph-accuracy-with-diagonal": "graph:AccuracyWithDiagonal",
    "capped-f1": "graph:CappedF1",
    "box-iou": "boxes:BoxIoU",
    "pixcorr": "images:PixCorr",
    "encoding-r": "encoding:EncodingR",
    "field-accuracy": "answers:FieldAccuracy",
    "all-fields-accuracy": "answers:AllFieldsAccuracy",
    "balanced-field-accuracy": "answers:BalancedFieldAccuracy",
    "fields-auc": "answers:FieldsAUC",
    "answered-rate": "answers:AnsweredRate",
    "exact-match": "text:ExactMatch",
}
