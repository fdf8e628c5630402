// Which rows are selected: a set of run ids, and the row from which a range reaches. Pure.

export class RowPicks {
  ids = new Set();
  /** Index of the row that was picked last: a range begins there. */
  anchor = null;

  /** Picks one row, or no longer. */
  toggle(id, index) {
    if (!this.ids.delete(id)) this.ids.add(id);
    this.anchor = index;
  }

  /** Picks all of `ids` (the rows from the anchor to the row pointed at), or none of them where the anchor isn't picked. */
  range(ids, picked = true) {
    for (const id of ids) picked ? this.ids.add(id) : this.ids.delete(id);
  }

  /** The first and the last index of a range to `index`. */
  reach(index) {
    const from = this.anchor ?? index;
    return [Math.min(from, index), Math.max(from, index)];
  }

  clear() {
    this.ids.clear();
    this.anchor = null;
  }

  /** Forgets runs that are gone. */
  forget(ids) {
    for (const id of ids) this.ids.delete(id);
  }
}
