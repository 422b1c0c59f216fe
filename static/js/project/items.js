// The item browser: small images keep their pixels, and long lists of classes are proposed during typing.

import { keepPixels } from "./pixels.js";
import { proposeClasses } from "./classes.js";
import { selectItems } from "./select.js";

keepPixels(document.querySelectorAll(".thumb img"));
proposeClasses();
selectItems(document.querySelector("#change"));
