"""Every sixth section of a public FIB-SEM volume: where it is, what it is, and the checksums of its files.

The files are images of 250 × 250 pixels, 54 kB each, taken at one commit of their public home, so that they can
neither change nor be mixed with later ones.
"""

from __future__ import annotations

COMMIT = "ce839e17deaf4c01153827c6d028dfecfbb4b958"
HOME = "https://github.com/janelia-flyem/neuroproof_examples"
BASE_URL = (
    f"https://raw.githubusercontent.com/janelia-flyem/neuroproof_examples/{COMMIT}/training_sample2/grayscale_maps/"
)
FACTOR = 6
VOXEL_SIZE_NM = (8.0 * FACTOR, 8.0, 8.0)
ATTRIBUTION = {
    "title": "FIB-25 training_sample2: FIB-SEM of the Drosophila medulla, every sixth section",
    "authors": "FlyEM project, Janelia Research Campus, Howard Hughes Medical Institute",
    "source": f"{HOME}/tree/{COMMIT}/training_sample2",
    "licence": f"Creative Commons Attribution, {HOME}/blob/{COMMIT}/LICENSE.txt",
    "changes": "five of six sections were left out to simulate an anisotropic stack",
    "voxel_size": "taken as 8 nm; the README of the source says 10 nm",
}
SHA256 = (
    "778e9ec4dc94cbab3951c9208bde7e27e847b90c7b70f68be126e36623b8b02a",
    "744a8578e1e51ab0a259b5727b2561a499ac7541c7a2fb5bd27735730be743d9",
    "185cf19792ffea1a5db883fa3c24e4add17086a7f84dda9cab5745b7b5281a96",
    "e1f5d6d03189372c8f6bce62930f9ee42cb77fd3317be6e325f8898fac17480c",
    "4bb79656e04f2b15022be60107e7a2dc17f2d6332c9a5c0470a29e15940a15d6",
    "b52741812e65d44dc71d1291808dd005296222a787a40f4fc07ca593d398d499",
    "91542b12d88a4ae01c1f8439b1602059155bc5116b917bdbfa7bf7b9ac3fbfb0",
    "b5a5ded5e027a57e370845dc44950e878681f2f65e0147388a454fd84c0cfcf2",
    "27193c6779ff8f178820d62defcf7b9621e38b0460ce82212045165d62ccc7f2",
    "490968ed9e9b8f1ff7e9fcd5782f7de39b4447ecdfc2a556ec93674a9b32bccc",
    "b8e2017ddeef5c7e8bf061b8b5b31b7dda62e73bc8a26ea4eaa218e78826258e",
    "83d67365cc3537f05b72e30c26924a2c4431894940a718070984d6110712a3bf",
    "03e234d228bbda5800ea5572fcc5dfab35c89c9e6aed6e9a708f047abcea732f",
    "90d648ddc1f13bdcb0ef372649cec00a7f18e2320d94c7a2eb119dd069bc6ee9",
    "c9b1e1d837215d4a07c2a8ce645f02702f6d2fa37acc12514eb798e4479d7ac9",
    "ba895f6bfcc9f2c219689be1125aabd02c4cf997562434c0e61e862e5c8594dc",
    "5b09c676e4da075a3cf3079be692d7bb16355cae4d29cf2c0761e5efe7191f53",
    "ab7ebb4db857ed9c71316a688c9fa287a8ebe227a385f7ce10a932469c73620d",
    "389ea3bda1f2579025773513e21bf8939ce7d0412129b4ccdaece7d228ae5415",
    "a4cb606225958df86e3175ea8021e2e8e9fe4ff31397dd0243de3564df246eca",
    "490be3b11d13c4dd2057b9c802377ff7a2f605e26333acdab6ed7eef01c0af73",
    "9e36cd9e07e21fb36752b8daf8dc5c464f9ea6e56b8d485d9f439925ca67a8fd",
    "f890bac0b040f39bc850224b40aff01697eeaae0b115afb5cddb4e7019dfc13c",
    "23063a2a5961b290cb5486ed3559f9a06194e52b944ce6295e0d15f35323ffe7",
    "a4560d4acad1c235e66aa698bc6f40f82bdff084aa93a5b563bc7723f8999c06",
    "04cb6f1957eff539e9c07af8603ef6878f279fb0a3de163a6d5e8d9a936eb393",
    "d136185e0f7bf6c8221c06ca9005e126a03de2c13eff6bffacd1a4a6c6366479",
    "291c864cd120dd7ca8eb76039d3e7575e5be69c97cfb83c9400a7d8343355492",
    "6f2014478e0da9f89b090ef1564c72bbaa20b8017463c29a5c8b6b1f51af39dd",
    "55874d933ff8d82cd06a1f22ce8fad75287380b3e0b93aa0f19f9f1424f21208",
    "d0034659c8e90dcd8d2474b4d75fdfe6ded5f38a9bca0c3a3d37cce08e47d7ec",
    "097ea30f1f78a8997f64e1ef921b79fa80dd2a3064cf929bed58e0f53c63c722",
    "85b2e7248c17bbf349b35ddbe82fc18bb076e4aed042cba6628f3e49a7fbabcc",
    "0ac50864e30c580d74d49d164e2adc01775fc09d4e0391996d68970478df5e83",
    "70ab6d9bae8d5af3beb3389d5a7ceaa177f5adf6a8234369abfdf8266f729f70",
    "d85db431c76c29c02b26a15940a220ee0da6ead477e3dfdb187b9f44daa2fcef",
    "525d382797d7d789fbad4b14477e9db378eee097ea00086e5f0949600bef68d1",
    "ddeb42e97763d9499fb051bb364c870f9b4c1bdefbf545cbbe06363ecf68d704",
    "a3c6f6fc9c8ce1e3c60b28748918b22bb8b9d1998a2960fbbd8edfd19f3af8db",
    "24cdc6b95276255538d6faef3d6a400800c4211a5307e49e44bebec46d03c998",
    "c1fb61934ce180ea552fe8c7954c08c253232d20688bd4575105bb98b41df874",
    "7cdfa1e9f8004af70ef8703433c064a357ea8fa4403bd3b05d14f545113fd429",
)
FILES = {f"iso.{2600 + FACTOR * i}.png": digest for i, digest in enumerate(SHA256)}
"""SHA-256 by file name, in the order of the sections."""
