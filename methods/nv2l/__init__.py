"""NV2L (Neuro-Vision to Language): brain volumes to words and pictures, and back to the voxels of a concept."""
