//! Meridian, a vendor that does not exist: the program of the guide "Add a vendor" of auth-oauth2.

mod meridian;
