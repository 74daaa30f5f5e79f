import { topicIdOf } from "../../coordinator/group-fixtures.ts";

export const GROUP_ID = "group";
export const TOPIC_NAME = "orders";
export const TOPIC_ID = topicIdOf(1);
