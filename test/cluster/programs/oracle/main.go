// Command oracle says what a kubelet has booked, read with Kubernetes' own message types, so that the tests of a device
// plugin have a witness that shares no code with it. It prints JSON.
//
//	oracle pod-resources SOCKET   what the kubelet tells over its pod-resources socket
//	oracle allocatable SOCKET     which devices the kubelet would give out, there: the healthy ones
//	oracle checkpoint FILE        what it has written down, the plugins' answers decoded
//	oracle containers FOLDER      which containers with GPUs run by containerd's tasks there; to be run on the node
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// patience bounds the call over the socket.
const patience = 10 * time.Second

func main() {
	questions := map[string]func(string) (any, error){
		"pod-resources": askForHoldings, "allocatable": askForAllocatable, "checkpoint": readCheckpoint,
		"containers": readContainers,
	}
	if len(os.Args) != 3 || questions[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: oracle pod-resources|allocatable SOCKET, oracle checkpoint FILE, oracle containers FOLDER")
		os.Exit(2)
	}
	answer, err := questions[os.Args[1]](os.Args[2])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "oracle %s: %v\n", strings.Join(os.Args[1:], " "), err)
		os.Exit(1)
	}
}

// holding is what one container has of one resource.
type holding struct {
	Namespace string   `json:"namespace"`
	Pod       string   `json:"pod"`
	Container string   `json:"container"`
	Resource  string   `json:"resource"`
	IDs       []string `json:"ids"`
}

// withKubelet asks over the pod-resources socket.
func withKubelet[T any](socket string, ask func(context.Context, podresources.PodResourcesListerClient) (T, error)) (T, error) {
	var nothing T
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nothing, err
	}
	defer connection.Close()
	within, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return ask(within, podresources.NewPodResourcesListerClient(connection))
}

func askForHoldings(socket string) (any, error) {
	list, err := withKubelet(socket, func(within context.Context, kubelet podresources.PodResourcesListerClient) (
		*podresources.ListPodResourcesResponse, error) {
		return kubelet.List(within, &podresources.ListPodResourcesRequest{})
	})
	if err != nil {
		return nil, err
	}
	holdings := []holding{}
	for _, pod := range list.GetPodResources() {
		for _, container := range pod.GetContainers() {
			// The kubelet makes one entry for each NUMA node.
			byResource := map[string][]string{}
			for _, devices := range container.GetDevices() {
				name := devices.GetResourceName()
				byResource[name] = append(byResource[name], devices.GetDeviceIds()...)
			}
			for resource, ids := range byResource {
				slices.Sort(ids)
				holdings = append(holdings,
					holding{pod.GetNamespace(), pod.GetName(), container.GetName(), resource, ids})
			}
		}
	}
	return holdings, nil
}

func askForAllocatable(socket string) (any, error) {
	answer, err := withKubelet(socket, func(within context.Context, kubelet podresources.PodResourcesListerClient) (
		*podresources.AllocatableResourcesResponse, error) {
		return kubelet.GetAllocatableResources(within, &podresources.AllocatableResourcesRequest{})
	})
	if err != nil {
		return nil, err
	}
	byResource := map[string][]string{}
	for _, devices := range answer.GetDevices() {
		name := devices.GetResourceName()
		byResource[name] = append(byResource[name], devices.GetDeviceIds()...)
	}
	for _, ids := range byResource {
		slices.Sort(ids)
	}
	return byResource, nil
}

// entry is what the checkpoint holds for one container and resource.
type entry struct {
	PodUID      string            `json:"podUid"`
	Container   string            `json:"container"`
	Resource    string            `json:"resource"`
	IDs         []string          `json:"ids"`
	Annotations map[string]string `json:"annotations"`
	Envs        map[string]string `json:"envs"`
}

func readCheckpoint(file string) (any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var checkpoint struct {
		Data struct {
			PodDeviceEntries []struct {
				PodUID, ContainerName, ResourceName string
				DeviceIDs                           map[string][]string
				AllocResp                           []byte
			}
		}
	}
	if err := json.Unmarshal(text, &checkpoint); err != nil {
		return nil, err
	}
	entries := []entry{}
	for _, written := range checkpoint.Data.PodDeviceEntries {
		answer := &deviceplugin.ContainerAllocateResponse{}
		if err := proto.Unmarshal(written.AllocResp, answer); err != nil {
			return nil, fmt.Errorf("the answer for %s of pod %s: %w", written.ContainerName, written.PodUID, err)
		}
		ids := []string{}
		for _, some := range written.DeviceIDs {
			ids = append(ids, some...)
		}
		slices.Sort(ids)
		entries = append(entries, entry{written.PodUID, written.ContainerName, written.ResourceName, ids,
			answer.GetAnnotations(), answer.GetEnvs()})
	}
	return entries, nil
}
