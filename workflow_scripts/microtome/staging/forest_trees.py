"""Decision trees as plain arrays: what is stored of a random forest, and how it is asked."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

_LEAF = -1
_ROUNDING = 1e-9  # of shares that add up to 1
# Slides that go down all trees at once: bounds memory.
_AT_ONCE = 256


@dataclass(frozen=True)
class Trees:
    """The nodes of all trees of several forests, tree after tree.

    Attributes
    ----------
    roots : ndarray of shape (n_forests, n_trees), int64
        The first node of each tree; the trees fill all nodes in this order.
    children_left, children_right : ndarray of shape (n_nodes,), int32
        Nodes that a node leads to, counted over all trees; -1 in a leaf.
    feature : ndarray of shape (n_nodes,), int32
        The feature that a node asks for; 0 in a leaf.
    threshold : ndarray of shape (n_nodes,), float64
        Features up to and with it go left; 0 in a leaf.
    value : ndarray of shape (n_nodes, n_classes), float64
        The share of each class among the slides a node was trained on.
    """

    roots: np.ndarray
    children_left: np.ndarray
    children_right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Average what the trees of each forest say: (n_forests, n, n_classes), float64.

        Equal to scikit-learn's ``predict_proba``: features, of shape (n, n_features), are taken as
        float32, and sums are made in its order.
        """
        features = np.ascontiguousarray(features, np.float32)
        n_forests, n_trees = self.roots.shape
        found = np.zeros((n_forests, len(features), self.value.shape[1]))
        for first in range(0, len(features), _AT_ONCE):
            leaves = self._leaves(features[first : first + _AT_ONCE])
            for total, of_forest in zip(found, leaves, strict=True):
                for of_tree in of_forest:
                    total[first : first + _AT_ONCE] += self.value[of_tree]
        return found / n_trees

    def _leaves(self, features: np.ndarray) -> np.ndarray:
        """Find where slides end up: (n, n_features), float32 -> (n_forests, n_trees, n), int."""
        n, n_features = features.shape
        node = np.repeat(self.roots.ravel(), n)
        flat = features.ravel()
        first_of_slide = np.tile(np.arange(n) * n_features, self.roots.size)
        moving = np.flatnonzero(self.children_left[node] != _LEAF)
        while moving.size:
            here = node[moving]
            values = flat[first_of_slide[moving] + self.feature[here]]
            # float32 against float64, as scikit-learn compares them.
            goes_left = values <= self.threshold[here]
            node[moving] = np.where(goes_left, self.children_left[here], self.children_right[here])
            moving = moving[self.children_left[node[moving]] != _LEAF]
        return node.reshape(*self.roots.shape, n)


def extract_trees(
    forests: Sequence[Sequence["RandomForestClassifier"]], *, n_classes: int
) -> Trees:
    """Take the trees out of forests, all of the same number of trees, each given in fitted parts.

    They are trained on classes 0 to ``n_classes - 1``; one that a part has never seen gets the
    value 0.
    """
    names = ("children_left", "children_right", "feature", "threshold", "value")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    roots, n_nodes = [], 0
    for part in itertools.chain.from_iterable(forests):
        for tree in (estimator.tree_ for estimator in part.estimators_):
            is_leaf = tree.children_left == _LEAF
            value = np.zeros((tree.node_count, n_classes))
            value[:, part.classes_] = tree.value[:, 0]
            parts["value"].append(value)
            for name in ("children_left", "children_right"):
                children = np.where(is_leaf, _LEAF, getattr(tree, name) + n_nodes)
                parts[name].append(children.astype(np.int32))
            parts["feature"].append(np.where(is_leaf, 0, tree.feature).astype(np.int32))
            parts["threshold"].append(np.where(is_leaf, 0, tree.threshold))
            roots.append(n_nodes)
            n_nodes += tree.node_count
    return Trees(
        roots=np.array(roots, np.int64).reshape(len(forests), -1),
        **{name: np.concatenate(values) for name, values in parts.items()},
    )


def find_fault(trees: Trees, *, n_features: int) -> str:
    """Say what keeps arrays from being trees, in a few words; empty where nothing does.

    Every tree is whole and ends: a node's children come after it, within its tree, and every node
    but a root is the child of exactly one. Types and lengths of the arrays are right already.
    """
    roots, n_nodes = trees.roots.ravel(), len(trees.feature)
    if roots.size == 0 or roots[0] != 0 or (np.diff(roots) < 1).any() or roots[-1] >= n_nodes:
        return "the trees do not follow each other"
    left, right = trees.children_left, trees.children_right
    inner = np.flatnonzero(left != _LEAF)
    if not np.array_equal(inner, np.flatnonzero(right != _LEAF)):
        return "a node has one child"
    ends = np.repeat(np.append(roots[1:], n_nodes), np.diff(np.append(roots, n_nodes)))[inner]
    children = np.stack([left[inner], right[inner]])
    if ((children <= inner) | (children >= ends)).any():
        return "a node leads back or out of its tree"
    n_parents = np.ones(n_nodes, np.int64)
    n_parents[roots] = 0
    if not np.array_equal(np.bincount(children.ravel(), minlength=n_nodes), n_parents):
        return "a node has no parent or several"
    return _find_fault_of_nodes(trees, n_features)


def _find_fault_of_nodes(trees: Trees, n_features: int) -> str:
    if ((trees.feature < 0) | (trees.feature >= n_features)).any():
        return "a node asks for a feature that is not there"
    if not np.isfinite(trees.threshold).all():
        return "a threshold is no finite number"
    is_share = (trees.value >= 0) & (trees.value <= 1)  # false of NaN, too
    if not is_share.all() or (np.abs(trees.value.sum(axis=1) - 1) > _ROUNDING).any():
        return "the shares of classes in a node do not add up"
    return ""
