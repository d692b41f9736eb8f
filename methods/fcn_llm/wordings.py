"""How judgments and comparisons are worded; the question of an attribute itself comes from the prompt bank.

The paper's templates are unknown: all of these are ours. Test wordings are never met in training.
"""

from __future__ import annotations

YES, NO = "Yes", "No"
FIRST, SECOND = "first", "second"

JUDGMENT = {
    "train": (
        "{question} Somebody answers: {answer}. Does this answer fit the brain network? Yes or No.",
        "{question} A proposed answer is: {answer}. Is it right? Answer Yes or No.",
        "Proposed answer to the question '{question}': {answer}. Does the network support it? Yes or No.",
        "Judge the answer. Question: {question} Answer: {answer}. Correct? Yes or No.",
        "{question} Would you agree with '{answer}'? Yes or No.",
        "Is '{answer}' the right answer for this brain network to: {question} Yes or No.",
        "Check this statement against the network. {title}: {answer}. True? Yes or No.",
        "Suppose that the {title} is {answer}. Does that fit the connectivity shown? Yes or No.",
        "Does this network belong to a person whose {title} is {answer}? Yes or No.",
        "Claim: {title} = {answer}. Is the claim true of this person? Yes or No.",
        "Look at the connectivity. Can it be that the {title} is {answer}? Yes or No.",
        "One reader notes: {title}, {answer}. Is the note right? Yes or No.",
    ),
    "test": (
        "A colleague says the {title} of this person is {answer}. Is the colleague right? Yes or No.",
        "{question} Decide whether '{answer}' is true of this network. Yes or No.",
        "According to the network, is it correct that the {title} is {answer}? Yes or No.",
    ),
}
SAME = (
    "Two brain networks are shown. Do the two people share the same {title}? Yes or No.",
    "Compare both networks. Is the {title} the same in both? Yes or No.",
    "Do these two networks agree in {title}? Yes or No.",
    "Here are networks of two people. Are they alike in {title}? Yes or No.",
    "Is the {title} of the first person also that of the second? Yes or No.",
    "Would you put both people into the same group of {title}? Yes or No.",
    "Look at both networks. Same {title}? Yes or No.",
    "Do both networks belong to people with one and the same {title}? Yes or No.",
    "Two people, two networks: is there no difference in {title}? Yes or No.",
    "Decide whether the two networks match in {title}. Yes or No.",
    "Comparing the connectivity of two people, is their {title} equal? Yes or No.",
    "Is it true that both people have the same {title}? Yes or No.",
)
HIGHER = (
    "Two brain networks are shown. In which person is the {title} higher, the first or the second?",
    "Compare both networks. Whose {title} is higher: first or second?",
    "Which of the two people has the higher {title}, first or second?",
    "Here are networks of two people. Who has more {title}: the first or the second?",
    "Is the {title} higher in the first or in the second network?",
    "Name the network with the higher {title}: first or second.",
    "Look at both networks. The higher {title} belongs to the first or the second?",
    "Two people, two networks: which {title} is larger, first or second?",
    "Rank the two people by {title}. Which comes out higher, first or second?",
    "Comparing the connectivity, who is above the other in {title}: first or second?",
    "Tell which network goes with the greater {title}, the first or the second.",
    "Of these two networks, first or second, which has the higher {title}?",
)


def judgment(split: str, number: int, title: str, question: str, answer: str) -> str:
    """A judgment about a proposed answer; ``number`` picks among the wordings of "train" or "test"."""
    wordings = JUDGMENT[split]
    return wordings[number % len(wordings)].format(title=title, question=question, answer=answer)


def comparison(number: int, title: str, numeric: bool) -> str:
    """A comparison of two networks: the same class, or the higher value."""
    wordings = HIGHER if numeric else SAME
    return wordings[number % len(wordings)].format(title=title)
