//! Whole engines against a relay in memory: what people see, what survives, what a hostile relay can't do.

mod accounts;
mod amend;
mod devices;
mod entrance;
mod files;
mod handover;
mod heal;
mod hostile;
mod lost_answers;
mod messages;
mod own;
mod presence;
mod relay;
mod requests;
mod restarts;
mod room_heal;
mod room_hostile;
mod room_people;
mod room_service;
mod room_talk;
mod rooms;
mod walk;
mod world;
