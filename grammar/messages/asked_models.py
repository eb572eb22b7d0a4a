"""The models that were asked: what each used, and what that cost."""

from pydantic import BaseModel

from grammar.messages.activity_results import Usage


class Cost(BaseModel):
    """What models cost, as far as their prices are known (specification section 1)."""

    usd: float = 0.0
    """US dollars."""
    estimated: bool = False
    """Whether a price that it rests on is an estimate."""
    unpriced: list[str] = []
    """The models that were used and have no price, by their providers' ids: `usd` is less than what was spent."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            usd=round(self.usd + other.usd, 12),  # what floats have beyond is noise
            estimated=self.estimated or other.estimated,
            unpriced=sorted({*self.unpriced, *other.unpriced}),
        )


class AskedModel(BaseModel):
    """One of the models that were asked, and what for."""

    named: str = ""
    """Its name, as the file has it; empty: the file names none."""
    model: str = ""
    """The provider's id of the model; empty: not known."""
    usage: Usage = Usage()
    """What it used."""
    cost: Cost = Cost()
    """What that cost; nothing until it has been put on prices."""
