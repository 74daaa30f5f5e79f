import { PLANTED_BUGS } from "./planted-bugs.ts";
import seeds from "./planted-seeds.json" with { type: "json" };
import { testPlantedBugs } from "./planted-tests.ts";

testPlantedBugs({ about: "", bugs: PLANTED_BUGS, seeds });
