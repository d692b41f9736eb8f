"""Data sets: cards, the cohort on disk, importers and checks."""

DATASETS = {
    "abide1": "abide:ABIDE1",
    "abide2": "abide:ABIDE2",
    "adhd200": "adhd200:ADHD200",
    "abcd": "abcd:ABCD",
    "adni": "adni:ADNI",
    "algonauts2025": "algonauts:Algonauts",
    "brainhub": "brainhub:BrainHub",
    "hcp": "hcp:HCP",
    "hcp-aging": "hcp:HCPAging",
    "hcp-volumes": "volumes:HCPVolumes",
    "ukb": "ukb:UKB",
    "cdrl": "recordings.cdrl:CDRL",
    "mtl": "recordings.mtl:MTL",
    "nsd": "nsd:NSD",
    "netsim": "recordings.netsim:NetSim",
    "own": "own:OwnCohort",
    "sanchez": "recordings.sanchez:SanchezRomero",
}
