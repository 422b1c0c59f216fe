// The item browser: small images keep their pixels, and long lists of classes are proposed while somebody types.

import { keepPixels } from "./pixels.js";
import { proposeClasses } from "./classes.js";

keepPixels(document.querySelectorAll(".thumb img"));
proposeClasses();
