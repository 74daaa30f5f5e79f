import { testPlantedBugs } from "../planted-tests.ts";
import { PLANTED_WORKER_BUGS } from "./planted-worker-bugs.ts";
import seeds from "./planted-worker-seeds.json" with { type: "json" };
import { drawWorkerProfile } from "./worker-profile.ts";

testPlantedBugs({ about: "about workers ", bugs: PLANTED_WORKER_BUGS, seeds, draw: drawWorkerProfile });
