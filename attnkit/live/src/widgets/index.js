// Every widget of the book, by the name that Python's trait `kind` gives.

import * as dial from "./dial.js";

export const widgets = { dial };
