import { testPlantedBugs } from "../planted-tests.ts";
import { PLANTED_REPLICA_BUGS } from "./planted-replica-bugs.ts";
import seeds from "./planted-replica-seeds.json" with { type: "json" };
import { drawReplicaProfile } from "./replica-profile.ts";

testPlantedBugs({ about: "about stores or brokers ", bugs: PLANTED_REPLICA_BUGS, seeds, draw: drawReplicaProfile });
