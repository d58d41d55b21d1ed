"""The benchmark's methods and BridgeGap against CAM, each under the same short schedule."""

from studies.effects.effect import Effect
from studies.toy.methods import METHODS


def against_cam(name: str, claim: str, notes: str = "") -> Effect:
    """A row that compares a method with CAM."""
    return Effect(name, claim, METHODS["CAM"], METHODS[name], notes=notes)


GROUPS: dict[str, tuple[Effect, ...]] = {
    "benchmark_methods": (
        against_cam("HaS", "hiding patches shows more of the object (Singh and Lee, ICCV 2017)"),
        against_cam(
            "ACoL",
            "a second classifier finds other parts (Zhang et al., CVPR 2018)",
            notes="learning rate 0.02 instead of 0.05, see its config",
        ),
        against_cam("SPG", "self-produced masks guide the map (Zhang et al., ECCV 2018)"),
        against_cam("ADL", "dropping attended features spreads it (Choe and Shim, CVPR 2019)"),
        against_cam("CutMix", "mixed images show more of it (Yun et al., ICCV 2019)"),
        against_cam(
            "BridgeGap",
            "aligned feature directions show the whole object (Kim et al., CVPR 2022)",
            notes="settings from a search of 12 trials on val; the other methods' are not searched",
        ),
    ),
}
