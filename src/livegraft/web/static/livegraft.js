// What every page runs. Each module finds its own elements and does nothing where there are none.
import { startArrows } from "./arrows.js";
import { startCalls } from "./calls.js";
import { startFilter } from "./filter.js";
import { startForms } from "./forms.js";
import { startJump } from "./jump.js";
import { startLive } from "./live.js";
import { startNav } from "./nav.js";
import { startOutput } from "./output.js";
import { startTimes } from "./times.js";

startTimes();
startForms();
startJump();
startArrows();
startCalls();
startNav();
const refresh = startLive();
startFilter(refresh);
startOutput(refresh);
