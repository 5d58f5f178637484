package main

import "testing"

func TestAStoryHasDefaultsOfItsOwn(t *testing.T) {
	for _, story := range stories {
		s, _ := story.settings()
		if err := s.check(); err != nil {
			t.Errorf("%s: %v", story.name, err)
		}
		if story.name == "classic" && s.bytes != 124 {
			t.Errorf("classic sends %d bytes", s.bytes)
		}
	}
}

func TestAStoryRefusesTheFlagsOfOthers(t *testing.T) {
	for _, story := range stories {
		_, flags := story.settings()
		if known := flags.Lookup("one-connection") != nil; known != (story.name == "classic") {
			t.Errorf("%s: --one-connection is known: %v", story.name, known)
		}
		for _, name := range common {
			if flags.Lookup(name) == nil {
				t.Errorf("%s does not know --%s", story.name, name)
			}
		}
	}
}

func TestNATSIsNotAskedForWhatItDoesNotHave(t *testing.T) {
	for _, wrong := range []func(*settings){
		func(s *settings) { s.codec = "lz4" },
		func(s *settings) { s.partitions = 2 },
		func(s *settings) { s.topicConfig["a"] = "b" },
	} {
		s, _ := stories[0].settings()
		s.address = "nats://127.0.0.1:1"
		wrong(s)
		if err := s.open(); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}

func TestATopicConfigIsAKeyAndAValue(t *testing.T) {
	config := keyValues{}
	if err := config.Set("forebay.flush=async"); err != nil || config["forebay.flush"] != "async" {
		t.Errorf("%v, %v", config, err)
	}
	if config.Set("forebay.flush") == nil || config.Set("=async") == nil {
		t.Error("half a setting is taken")
	}
}
