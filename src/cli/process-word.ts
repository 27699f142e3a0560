/**
 * The first argument of a process that the first process of a server has started, before that one's arguments: its number and
 * the digits of its node follow.
 */
export const processWord = "__process";
