// Every widget of the book, by the name that Python's trait `kind` gives.

import * as addressing_plane from "./addressing_plane.js";
import * as alignment from "./alignment.js";
import * as dial from "./dial.js";
import * as gate from "./gate.js";
import * as score_lab from "./score_lab.js";
import * as type_to_align from "./type_to_align.js";

export const widgets = { addressing_plane, alignment, dial, gate, score_lab, type_to_align };
